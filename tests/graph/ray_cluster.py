"""A Ray cluster on this machine, in a process of its own: `python ray_cluster.py`.

It prints its address, then does what its standard input says (`remove NUMBER`, `add NUMBER`), and prints `done`. It
ends with all of its processes when that input ends, so none of them outlives a test that was killed.
"""

import os
import sys

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "120"}  # a busy machine is slow

from ray.cluster_utils import Cluster

SMALL = {"object_store_memory": 80 * 2**20}


def main() -> None:
    head = {**SMALL, "num_cpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = {number: cluster.add_node(**SMALL, num_cpus=2, num_gpus=2 * (number == 1)) for number in (1, 2)}
    print("address", cluster.address, flush=True)
    try:
        for line in sys.stdin:
            verb, number = line.split()
            if verb == "remove":
                cluster.remove_node(nodes.pop(int(number)))
            else:
                nodes[int(number)] = cluster.add_node(**SMALL, num_cpus=2)
            print("done", flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
