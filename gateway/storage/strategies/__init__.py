"""What the server does to an object before it is validated and stored, by resource. Pure, all of it.

strategy.py has the rules that all resources share; the other modules are the kinds with rules of their own.
"""
