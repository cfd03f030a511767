"""Workbooks of spreadsheet programs, as CSV text.

A process of its own reads a workbook, because that takes a lot of memory and its parts are malformed more often than
CSV files. `workbook_file` is the worker's side, `reader` the program of that process.
"""
