"""Custom resources: what a CustomResourceDefinition means for the store. Pure, all of it.

A definition is judged (validation.py), given its accepted names and conditions (status.py), turned into the resources
it serves (definition.py); its objects lose the fields the schema does not know (pruning.py). Defaults and value checks
of the schema are in gateway/storage/defaulting and gateway/storage/validation.
"""
