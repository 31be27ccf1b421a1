"""Inventory with cost layers, reservations, transfers and reorder points."""

from stockroom.layers import CostLayers, Layer, Method, StockError
from stockroom.reorder import ReorderRule, Suggestion, suggest_orders
from stockroom.reservations import Reservation, ReservationBook
from stockroom.room import Stockroom

__all__ = [
    "CostLayers",
    "Layer",
    "Method",
    "ReorderRule",
    "Reservation",
    "ReservationBook",
    "StockError",
    "Stockroom",
    "Suggestion",
    "suggest_orders",
]
