"""Every row, by the name that ROWS= takes."""

from collections.abc import Callable, Mapping

from bench.result import Line
from bench.rows import fanout, first_sync, get, growth, latency, lists, memory, proxied, stalls, storm, workers
from bench.stage import Stage

Row = Callable[[Stage], list[Line]]

ROWS: Mapping[str, Row] = {
    "memory": memory.for_each_pod,
    "list": lists.json_plain,
    "gzip": lists.json_gzip,
    "table": lists.table,
    "watchlist": lists.watch_list,
    "label": lists.label_selector,
    "field": lists.field_selector,
    "get": get.many,
    "get-beside-lists": get.beside_lists,
    "latency": latency.change_to_event,
    "read": proxied.read,
    "write": proxied.write,
    "fanout-100": fanout.hundred,
    "fanout-1000": fanout.thousand,
    "first-sync": first_sync.first_sync,
    "stalls": stalls.event_loop,
    "growth": growth.growth,
    "workers": workers.second_process,
    "storm": storm.storm,
}
