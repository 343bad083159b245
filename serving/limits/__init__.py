"""How much may one caller ask for? Rates, quotas, calls at once, and what slow or idle connections may hold."""
