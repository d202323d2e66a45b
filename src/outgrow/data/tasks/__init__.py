"""The data sets that outgrow knows: one short file per set, one line here."""

from outgrow.data.published_task import PublishedTask
from outgrow.data.tasks.arc import ARC_CHALLENGE, ARC_EASY
from outgrow.data.tasks.boolq import BOOLQ
from outgrow.data.tasks.commonsense_qa import COMMONSENSE_QA
from outgrow.data.tasks.cosmos_qa import COSMOS_QA
from outgrow.data.tasks.creak import CREAK
from outgrow.data.tasks.dolly import DOLLY
from outgrow.data.tasks.ecqa import ECQA
from outgrow.data.tasks.errands import ERRANDS
from outgrow.data.tasks.esnli import ESNLI
from outgrow.data.tasks.gsm8k import GSM8K
from outgrow.data.tasks.mc_taco import MC_TACO
from outgrow.data.tasks.mmlu import MMLU, MMLU_TOPIC
from outgrow.data.tasks.openbookqa import OPENBOOKQA
from outgrow.data.tasks.piqa import PIQA
from outgrow.data.tasks.scan import SCAN
from outgrow.data.tasks.sciq import SCIQ
from outgrow.data.tasks.slurp import SLURP_INTENT, SLURP_SCENARIO, SLURP_SLOTS
from outgrow.data.tasks.social_iqa import SOCIAL_IQA
from outgrow.data.tasks.sums import SUMS
from outgrow.data.tasks.tales import TALES
from outgrow.data.tasks.winogrande import WINOGRANDE

TASKS: dict[str, PublishedTask] = {
    "sciq": SCIQ,
    "cosmos_qa": COSMOS_QA,
    "openbookqa": OPENBOOKQA,
    "arc_easy": ARC_EASY,
    "arc_challenge": ARC_CHALLENGE,
    "commonsense_qa": COMMONSENSE_QA,
    "piqa": PIQA,
    "social_iqa": SOCIAL_IQA,
    "winogrande": WINOGRANDE,
    "mmlu": MMLU,
    "mmlu_topic": MMLU_TOPIC,
    "boolq": BOOLQ,
    "creak": CREAK,
    "mc_taco": MC_TACO,
    "esnli": ESNLI,
    "slurp_scenario": SLURP_SCENARIO,
    "slurp_intent": SLURP_INTENT,
    "slurp_slots": SLURP_SLOTS,
    "gsm8k": GSM8K,
    "scan": SCAN,
    "ecqa": ECQA,
    "dolly": DOLLY,
    "errands": ERRANDS,
    "tales": TALES,
    "sums": SUMS,
}
