from importlib.metadata import EntryPoint

import pytest

from core.errors import ConfigError, UnknownName
from core.products import find_product, load_products


def test_the_three_products_are_installed_with_pages_and_titles_in_both_languages():
    products = {product.name: product for product in load_products()}
    assert set(products) >= {"customer-service", "finance-risk", "medical"}
    for product in products.values():
        assert product.page.is_file()
        assert set(product.titles) == {"en", "zh"}


def test_an_unknown_product_lists_the_known():
    with pytest.raises(UnknownName, match="medical"):
        find_product("medicine")


def test_a_product_that_cannot_be_loaded_is_named(monkeypatch):
    broken = EntryPoint("broken", "no_such_package.product:product", "trivium.products")
    monkeypatch.setattr("core.products.entry_points", lambda group: [broken])
    with pytest.raises(ConfigError, match="'broken'"):
        load_products()


def test_a_broken_product_does_not_take_the_command_line_with_it(monkeypatch, run_cli):
    broken = EntryPoint("broken", "no_such_package.product:product", "trivium.products")
    monkeypatch.setattr("core.products.entry_points", lambda group: [broken])
    code, out, err = run_cli("config", "--defaults")
    assert code == 0 and "max_upload_mb" in out
    assert "warning: The product 'broken'" in err
