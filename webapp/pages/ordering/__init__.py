"""New video: a form that is quoted, kept or ordered."""
