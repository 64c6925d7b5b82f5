"""The steps of the handler chain, a file a step: take facts off the request, ask one decision object, act."""
