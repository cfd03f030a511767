"""gunicorn's own log lines, in the format of those of the product: `logger_class = "server.logger.Logger"`."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger as GunicornLogger

import config
from monitoring import logs

TEXT_FORMAT = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"


class Logger(GunicornLogger):  # type: ignore[misc]
    """gunicorn's logger, whose errors follow the setting LOG_FORMAT."""

    def setup(self, cfg: Any) -> None:
        """Set up the logs as gunicorn does, and replace the format of the error log."""
        super().setup(cfg)
        log_format = config.load().log_format
        for handler in self.error_log.handlers:
            logs.prepare(handler, log_format, TEXT_FORMAT)
