"""The API described: OpenAPI 3.1 made from the contract, and a page that shows it without anything from elsewhere."""

from cloudly_gateway.openapi.document import Document, document
from cloudly_gateway.openapi.pages import docs_asset, docs_page

__all__ = ["Document", "docs_asset", "docs_page", "document"]
