"""From a recipe to an adapter that earned its place: prepare, learn stage by stage, evaluate, promote.

`recipe` is what a recipe may say, `reading` how it is read, `examples` what it learns from; `plan` says what it will
take, `run` runs it, each stage in a folder of its own (`stages`, `learners`), with `evaluation` before and after, and
`promotion` at the end; `classes` is for recipes that learn classes. Whatever is killed goes on where it was when the
same command is given again.
"""
