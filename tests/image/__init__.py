"""The container image, without a container engine: ``make image`` carries out the Dockerfile in a folder."""
