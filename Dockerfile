# The page and the API, with the models of data/models: docker build -t translator .
FROM python:3.11-slim AS build

WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY translator translator
RUN pip install --no-cache-dir . && pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .
# As ONNX they start at once, never load TensorFlow, and are several times as fast.
COPY data/models data/models
RUN set -e; for model in data/models/*/; do \
        translator export "$model" "/models/$(basename "$model")" --format onnx; \
    done
# What serving those needs, in the versions that made them: a third of it all.
RUN python -c "import re; from importlib.metadata import requires, version; \
    names = {re.match(r'[\w-]+', line)[0] for line in requires('translator')}; \
    names -= {'tensorflow', 'tensorflow-text', 'keras', 'onnx', 'matplotlib', 'sacrebleu', 'sacremoses'}; \
    print(*(f'{name}=={version(name)}' for name in sorted(names)), sep='\n')" > /requirements.txt

FROM python:3.11-slim

RUN useradd --create-home --uid 1000 translator
WORKDIR /app
COPY --from=build /requirements.txt /wheels/ /install/
RUN pip install --no-cache-dir -r /install/requirements.txt \
    && pip install --no-cache-dir --no-deps /install/*.whl
COPY --from=build /models models
COPY serve.py ./

USER 1000
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/health', timeout=4)"]
# Further options: docker run translator --rate-limit 60. Inside a container every address is
# reached only through the ports that are published.
ENTRYPOINT ["python", "serve.py", "--models", "models", "--host", "0.0.0.0", "--port", "7860"]
