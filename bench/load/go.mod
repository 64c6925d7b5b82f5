module fleetgate/bench/load

go 1.24
