# The page and the API, with the models of data/models: docker build -t translator .
# Others: docker run -v "$PWD/runs/mine:/app/models/mine:ro" ...
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 translator
WORKDIR /app
COPY pyproject.toml README.md LICENSE /source/
COPY translator /source/translator
# What training needs stays out: TensorFlow alone has 2 GB.
RUN pip install --no-cache-dir --no-deps /source && rm -r /source \
    && python -c "import re; from importlib.metadata import requires; \
    out = {'tensorflow', 'tensorflow-text', 'keras', 'matplotlib', 'sacrebleu', 'sacremoses'}; \
    print(*(line for line in requires('translator') if re.match(r'[\w-]+', line)[0] not in out), sep='\n')" \
    > requirements.txt && pip install --no-cache-dir -r requirements.txt
COPY data/models models
COPY serve.py ./

USER 1000
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/health', timeout=4)"]
# Further options: docker run translator --rate-limit 60. Inside a container every address is
# reached only through the ports that are published.
ENTRYPOINT ["python", "serve.py", "--models", "models", "--host", "0.0.0.0", "--port", "7860"]
