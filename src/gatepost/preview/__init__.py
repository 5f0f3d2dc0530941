"""The pages with invented data, for whoever gives them the looks of a product: `gatepost theme --serve`."""
