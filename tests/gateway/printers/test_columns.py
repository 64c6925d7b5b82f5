from gateway.printers.columns import Column, column_definitions


def test_a_definition_has_all_of_its_fields() -> None:
    columns = [Column("Name", format="name", description="d"), Column("Size", "integer", priority=1)]
    assert column_definitions(columns) == [
        {"name": "Name", "type": "string", "format": "name", "description": "d", "priority": 0},
        {"name": "Size", "type": "integer", "format": "", "description": "", "priority": 1},
    ]
