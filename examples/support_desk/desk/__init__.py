"""A support desk: customers call by app or phone, agents are rung, messages tell both sides what they need to know."""
