# The page and the API, with the English-Spanish model: docker build -t translator .
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 translator
WORKDIR /app
COPY pyproject.toml README.md LICENSE /source/
COPY translator /source/translator
RUN pip install --no-cache-dir /source
# As ONNX it starts at once, never loads TensorFlow, and is several times as fast.
COPY data/models/en-es /source/en-es
RUN translator export /source/en-es models/en-es --format onnx
COPY serve.py ./

USER 1000
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/health', timeout=4)"]
# Inside a container every address is reached only through the ports that are published.
CMD ["python", "serve.py", "models/en-es", "--host", "0.0.0.0", "--port", "7860"]
