"""What tests share of gateway speakers."""

SALESFORCE, SHOP = "salesforce-token-of-a-test", "shop-token-of-a-test"


BOUND = {"Authorization": f"Bearer {SHOP}"}
