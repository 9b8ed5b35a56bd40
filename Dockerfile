# The page and the API, with the models of data/models: docker build -t translator .
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 translator
WORKDIR /app
COPY pyproject.toml README.md LICENSE /source/
COPY translator /source/translator
RUN pip install --no-cache-dir /source
# As ONNX they start at once, never load TensorFlow, and are several times as fast.
COPY data/models /source/models
RUN set -e; for model in /source/models/*/; do \
        translator export "$model" "models/$(basename "$model")" --format onnx; \
    done
COPY serve.py ./

USER 1000
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/health', timeout=4)"]
# Inside a container every address is reached only through the ports that are published.
CMD ["python", "serve.py", "--models", "models", "--host", "0.0.0.0", "--port", "7860"]
