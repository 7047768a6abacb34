"""How the analysis does on a database with reference annotations: EC57 and IEC 60601-2-47."""

from app.evaluation.document import Evaluation, Failed
from app.evaluation.record import EvaluationError, RecordResult, Task, evaluate_record
from app.evaluation.tables import headline
from app.evaluation.training import trained_on
from app.evaluation.write import check_folder, write_evaluation

__all__ = [
    "Evaluation",
    "EvaluationError",
    "Failed",
    "RecordResult",
    "Task",
    "check_folder",
    "evaluate_record",
    "headline",
    "trained_on",
    "write_evaluation",
]
