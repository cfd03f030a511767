"""Edits of products through the API, applied to the model as well, for `test_story.py`."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from support.story_jobs import UNFINISHED, ModelProduct, Values
from support.story_model import Model
from support.story_strategies import SKUS, Edit


class ProductEditor:
    """Edit products as a client does, and check that the API answers as the model says."""

    def __init__(self, client: FlaskClient, model: Model) -> None:
        self.client: Any = client
        self.model = model

    def apply(self, edit: Edit) -> None:
        """Make an edit. It does nothing if it needs a product and the catalogue is empty."""
        kind, choice, values = edit
        if kind == "delete all":
            self.delete_all()
        elif kind == "create":
            self.create({"sku": SKUS[choice], **values})
        elif self.model.catalogue:
            products = sorted(self.model.catalogue.values(), key=lambda product: product.id or 0)
            position = choice % len(products)
            if kind == "put":
                self.put(products[position], values)
            elif kind == "delete":
                self.delete(products[position])
            elif kind.endswith("filter"):
                self.change_filtered(kind, values)
            else:
                chosen = products[position:][:3]
                self.change(kind, {"ids": [product.id for product in chosen]}, chosen, values)

    def create(self, values: Values) -> None:
        key = self.model.keys[values["sku"]]
        response = self.client.post("/api/products", json=values)
        if key in self.model.catalogue:
            assert response.status_code == 409
            return
        assert response.status_code == 201
        values = {"name": "", "description": "", "active": True, **values}
        self.model.catalogue[key] = ModelProduct(key, values, self.model.next_version(), response.json["id"])

    def put(self, product: ModelProduct, values: Values) -> None:
        key = self.model.keys[values["sku"]] if "sku" in values else product.key
        belongs_to_another = self.model.catalogue.get(key, product) is not product
        response = self.client.put(f"/api/products/{product.id}", json=values)
        assert response.status_code == (409 if belongs_to_another else 200), response.json
        if not belongs_to_another and {**product.values, **values} != product.values:
            del self.model.catalogue[product.key]
            product.key, product.values = key, {**product.values, **values}
            self.model.touch(product)
            self.model.catalogue[key] = product

    def delete(self, product: ModelProduct) -> None:
        assert self.client.delete(f"/api/products/{product.id}").status_code == 200
        del self.model.catalogue[product.key]

    def change_filtered(self, kind: str, values: Values) -> None:
        """Change the products with the given `active`, or those with an "n" in their name."""
        products = list(self.model.catalogue.values())
        if "active" in values:
            selection: dict[str, Any] = {"active": values["active"]}
            products = [product for product in products if product.values["active"] == values["active"]]
        else:
            selection = {"name": "n"}
            products = [product for product in products if product.values["name"] in {"n", "N"}]
        self.change(kind, {"filter": selection}, products, values)

    def change(self, kind: str, selection: dict[str, Any], products: list[ModelProduct], values: Values) -> None:
        """Delete, activate or deactivate `products`, which `selection` selects in the call."""
        activate = "name" in values
        action = "delete" if kind.startswith("delete") else "activate" if activate else "deactivate"
        response = self.client.post("/api/products/bulk", json={"action": action, **selection})
        assert response.status_code == 200, response.json
        self.forget_job(response.json["task_id"])
        if action != "delete":
            products = [product for product in products if product.values["active"] != activate]
        assert response.json["count"] == len(products)
        for product in products:
            if action == "delete":
                del self.model.catalogue[product.key]
            else:
                product.values = {**product.values, "active": activate}
                self.model.touch(product)

    def delete_all(self) -> None:
        response = self.client.delete("/api/products/bulk-delete")
        if self.model.has(*UNFINISHED):
            assert (response.status_code, response.json["code"]) == (409, "import_running")
            return
        assert (response.status_code, response.json["count"]) == (200, len(self.model.catalogue))
        self.forget_job(response.json["task_id"])
        self.model.catalogue.clear()

    def forget_job(self, task_id: str) -> None:
        """Delete the job of a bulk change: the model has imports and their undos only."""
        assert self.client.delete(f"/api/imports/{task_id}").status_code == 200
