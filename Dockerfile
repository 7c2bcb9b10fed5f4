# paystorm as an image: master, worker, sandbox and all commands. Python and our dependencies, nothing else.
#   docker build -t paystorm .
#   docker run --rm paystorm paystorm run smoke
FROM python:3.11-slim AS build
ARG EXTRAS=otel,postgres
WORKDIR /source
RUN python -m venv /opt/paystorm
# The dependencies by themselves: a change of our code does not install them again.
COPY pyproject.toml constraints.txt README.md paystorm.py ./
RUN mkdir e2e_data reports locustfiles sandbox \
    && mkdir e2e_data/exporters e2e_data/model locustfiles/channels locustfiles/fleet locustfiles/plan_parts locustfiles/web sandbox/mqbinding \
    && /opt/paystorm/bin/pip install --no-cache-dir --constraint constraints.txt ".[$EXTRAS]" \
    && /opt/paystorm/bin/pip uninstall --yes paystorm
COPY e2e_data e2e_data
COPY reports reports
COPY locustfiles locustfiles
COPY sandbox sandbox
RUN /opt/paystorm/bin/pip install --no-cache-dir --no-deps .
# A third of it would be what nobody runs here: the libraries' own tests and headers, the names in their
# machine code that only a debugger reads, Arrow's network service, and what installs.
RUN apt-get update && apt-get install --yes --no-install-recommends binutils \
    && cd /opt/paystorm/lib/python3.11/site-packages \
    && find . -depth -type d \( -name tests -o -name include \) -exec rm -r {} + \
    && rm pyarrow/*arrow*flight* pyarrow/_flight* \
    # What wheels bring along from elsewhere, in folders *.libs, does not bear it.
    && find . -name '*.so*' -not -path '*.libs/*' -exec strip --strip-unneeded {} + \
    && /opt/paystorm/bin/pip uninstall --yes pip setuptools \
    # And what is left is whole.
    && /opt/paystorm/bin/python -c "import confluent_kafka, locust, matplotlib.pyplot, opentelemetry.sdk, psycopg, \
        pyarrow.dataset, pyarrow.fs, scipy.stats, sqlalchemy"

FROM python:3.11-slim
RUN useradd --uid 10001 --user-group --no-create-home paystorm \
    && install --directory --owner=10001 --group=10001 /runs
COPY --from=build /opt/paystorm /opt/paystorm
ENV PATH=/opt/paystorm/bin:$PATH \
    LOCUST_LOCUSTFILE=/opt/paystorm/lib/python3.11/site-packages/locustfiles/payments.py \
    PAYSTORM_RUNS_DIR=/runs \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib
USER 10001:10001
WORKDIR /tmp
CMD ["paystorm", "--help"]
