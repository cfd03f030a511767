"""The web server: gunicorn's threaded worker behind an event loop that no slow client and no overload can stop.

It knows neither Flask nor the database.
"""
