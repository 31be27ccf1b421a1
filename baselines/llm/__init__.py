"""Language models as policies: any OpenAI-compatible endpoint, and local models that learn."""
