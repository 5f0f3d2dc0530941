"""What stands between Gatepost and its database: the pool, the migrations, the embedded server."""
