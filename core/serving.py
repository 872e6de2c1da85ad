"""`trivium app` and `trivium demo`: the products' pages and their main jobs on sample input."""

from __future__ import annotations

import argparse
import subprocess
import sys

from core.products import Command, Product

FIRST_PORT = 8501


def _configure_app(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("products", nargs="+", metavar="PRODUCT", help="customer-service, finance-risk, medical")
    parser.add_argument("--port", type=int, default=FIRST_PORT, help="port of the first page (default %(default)s)")


def _run_app(arguments: argparse.Namespace) -> int:
    from core.products import find_product

    return serve([find_product(name) for name in arguments.products], first_port=arguments.port)


def serve(products: list[Product], *, first_port: int = FIRST_PORT) -> int:
    """Serve each product's page on its own port, on this machine only, until interrupted."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        for port, product in enumerate(products, start=first_port):
            running.append(subprocess.Popen(page_command(product, port)))  # noqa: S603 - our own command line
            print(f"{product.titles['en']}: http://localhost:{port}", flush=True)
        print("Ctrl-C stops them.", flush=True)
        return max(process.wait() for process in running)
    finally:
        for process in running:
            process.terminate()


def page_command(product: Product, port: int) -> list[str]:
    """The command that serves a product's page."""
    from core.config import settings

    options = {
        "server.port": port,
        "server.address": "localhost",
        "server.headless": "true",
        "server.maxUploadSize": settings().max_upload_mb,
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "streamlit", "run", str(product.page), *flags]


def _configure_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--serve", action="store_true", help="open the pages afterwards")


def _run_demo(arguments: argparse.Namespace) -> int:
    from core.products import load_products

    products = load_products()
    for product in products:
        title = f"{product.titles['en']} · {product.titles['zh']}"
        print(f"\n{'═' * 78}\n{title}\n{'═' * 78}", flush=True)
        product.demo()
    print(f"\n{'═' * 78}")
    if arguments.serve:
        return serve(list(products))
    print("Open a page in the browser:")
    for product in products:
        print(f"  trivium app {product.name}")
    print("All three at once: make demo SERVE=1")
    return 0


COMMANDS = (
    Command("app", "open a product's page in the browser", _configure_app, _run_app),
    Command("demo", "run the main job of every product on sample input", _configure_demo, _run_demo),
)
