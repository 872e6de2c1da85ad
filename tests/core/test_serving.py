import sys

from core.products import find_product
from core.serving import page_command


def test_a_page_is_served_to_this_machine_alone_with_the_limit_in_force(fresh_settings):
    fresh_settings(max_upload_mb=7)
    command = page_command(find_product("medical"), 8777)
    assert command[:4] == [sys.executable, "-m", "streamlit", "run"]
    assert {"--server.address=localhost", "--server.port=8777", "--server.maxUploadSize=7"} <= set(command)
    assert "--client.showErrorDetails=none" in command


def test_the_demo_runs_every_product_and_ends_with_how_to_open_the_pages(monkeypatch, run_cli):
    from dataclasses import replace

    ran = []
    products = [
        replace(find_product(name), demo=lambda name=name: ran.append(name)) for name in ("medical", "finance-risk")
    ]
    monkeypatch.setattr("core.products.load_products", lambda: products)
    code, out, _ = run_cli("demo")
    assert code == 0 and ran == ["medical", "finance-risk"]
    assert "trivium app medical" in out and "make demo SERVE=1" in out
