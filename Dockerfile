# One image for the code server, daemon, web server and MLflow of docker-compose.yml: their versions are the lock file's.
FROM python:3.12.12-slim-trixie

WORKDIR /app
COPY requirements.lock ./
# The lock names everything, so nothing is resolved here: pip would stumble over an extra that has no pin of its own.
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e . \
    && useradd --uid 1000 --create-home smartmaint \
    && install --directory --owner=smartmaint --group=smartmaint /var/lib/smartmaint /var/lib/mlflow

USER smartmaint
ENV SMARTMAINT_HOME=/var/lib/smartmaint DAGSTER_HOME=/var/lib/smartmaint
