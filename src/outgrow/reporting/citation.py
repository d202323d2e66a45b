"""The papers whose methods a study used, for whoever writes about it.

Two stand behind every study: that of several supervisors with its baselines, and that of the performance gap
recovered. The others are named where a row, or a judge, is theirs.
"""

from outgrow.config.experiment import Experiment
from outgrow.config.method import Method
from outgrow.study.method_rows import parts_of

SEVERAL_SUPERVISORS = """@inproceedings{cui2025bayesian,
  title     = {Bayesian WeakS-to-Strong from Text Classification to Generation},
  author    = {Cui, Ziyun and Zhang, Ziyang and Sun, Guangzhi and Wu, Wen and Zhang, Chao},
  booktitle = {International Conference on Learning Representations},
  year      = {2025},
  note      = {arXiv:2406.03199}
}"""
RECOVERED_GAP = """@article{burns2023weak,
  title   = {Weak-to-Strong Generalization: Eliciting Strong Capabilities With Weak Supervision},
  author  = {Burns, Collin and others},
  journal = {arXiv:2312.09390},
  year    = {2023}
}"""
REFINEMENT = """@inproceedings{somerstep2025transfer,
  title     = {A transfer learning framework for weak to strong generalization},
  author    = {Somerstep, Seamus and Maia Polo, Felipe and Banerjee, Moulinath and Ritov, Yaacov
               and Yurochkin, Mikhail and Sun, Yuekai},
  booktitle = {International Conference on Learning Representations},
  year      = {2025},
  note      = {arXiv:2405.16236}
}"""
CAPABILITIES = """@inproceedings{zhou2025capabilities,
  title     = {Weak to Strong Generalization for Large Language Models with Multi-capabilities},
  author    = {Zhou, Yucheng and Shen, Jianbing and Cheng, Yu},
  booktitle = {International Conference on Learning Representations},
  year      = {2025}
}"""


def citation(experiment: Experiment) -> str:
    """BibTeX of the papers that the experiment's rows and judges come from."""
    papers = [SEVERAL_SUPERVISORS, RECOVERED_GAP]
    if experiment.judges or any(method.refine is not None for method in experiment.methods):
        papers.append(REFINEMENT)
    if experiment.task.capabilities or any(_chooses(method) for method in experiment.methods):
        papers.append(CAPABILITIES)
    return "\n\n".join(papers)


def _chooses(method: Method) -> bool:
    """Whether a student's training is given some of the labels only, or comes in stages."""
    parts = parts_of(method)
    return len(parts) > 1 or any(part.select is not None for part in parts)
