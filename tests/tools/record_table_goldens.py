"""Record the Tables that a real kube-apiserver makes of tests/gateway/printers/testdata/objects.yaml.

python -m tests.tools.record_table_goldens
"""

from __future__ import annotations

import sys
from dataclasses import replace

from tests.e2e.environment.build import built_programs
from tests.e2e.environment.fleet import Fleet
from tests.gateway.printers import goldens
from tests.support.table_samples import create_samples, real_tables, samples


def main() -> int:
    """Create the objects, keep their rows, and return the exit code."""
    names = {obj["metadata"]["name"] for obj in samples()}
    with Fleet(built_programs(), members=0, nodes=0) as fleet:
        create_samples(fleet.federation.client)
        tables = [
            replace(table, rows=[row for row in table.rows if row["object"]["metadata"]["name"] in names])
            for table in real_tables(fleet.federation.client)
        ]
    goldens.save(tables)
    print(f"{sum(len(table.rows) for table in tables)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
