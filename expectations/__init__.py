"""What an order row must be: rules as plain data, and the few functions that read them."""
