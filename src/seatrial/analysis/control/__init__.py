"""What controllers did and suffered, and whether the proxies that they tell what to serve were told the same."""
