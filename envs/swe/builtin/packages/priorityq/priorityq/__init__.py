"""Priority queues: an addressable heap, top-k selection and k-way merging."""

from .heap import PriorityQueue
from .merging import kway_merge, merge_groups
from .topk import TopK

__all__ = ["PriorityQueue", "TopK", "kway_merge", "merge_groups"]
