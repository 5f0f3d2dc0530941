"""Print credentials: one a line, as JSON."""

import json
import os
from datetime import UTC, datetime, timedelta

import jwt

for number in range(1, int(os.environ["BENCH_TOKENS"]) + 1):
    email = f"user{number}@example.com"
    claims = {"sub": email, "exp": datetime.now(UTC) + timedelta(days=3650)}
    token = jwt.encode(claims, os.environ["SECRET_KEY"], algorithm="HS256")
    print(json.dumps({"header": f"Authorization: Bearer {token}", "email": email}))
