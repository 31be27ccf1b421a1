"""Tasks of published data sets: SWE-bench, SWE-Gym, SWE-smith, R2E-Gym, and files of rows in their formats.

* ``rows`` - the four row formats
* ``scripts`` - the scripts that run the rows' tests
* ``sources`` - rows from JSONL, Parquet, Arrow and Hugging Face
* ``images`` - the rows' container images: pulls, the disk budget
* ``image_trees`` - the files in them
* ``logs`` - parsers of test logs
* ``suites`` - the run of a suite in a sealed sandbox, by ``suite_runner``, which runs there
* ``dataset_tasks`` - the tasks
"""
