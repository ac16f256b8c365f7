"""Ask the processor for memory that compiled code will soon need."""

from typing import Any, no_type_check

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

_READ, _KEEP, _DATA = 0, 3, 1
"""Arguments of LLVM's prefetch: for reading, keep in all caches, data and not code."""


@intrinsic
@no_type_check
def prefetch(typing_context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001
    """``prefetch(array, index)`` in compiled code: fetch the cache line of ``array[index]`` of a flat array.

    It has no effect but on speed; an index beyond the array is harmless.
    """
    return types.void(array, types.intp), _emit


@no_type_check
def _emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    place = builder.gep(array.data, [arguments[1]])
    place = builder.bitcast(place, ir.IntType(8).as_pointer())
    number = ir.IntType(32)
    of_type = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
    function = builder.module.declare_intrinsic("llvm.prefetch", [place.type], of_type)
    builder.call(function, [place, number(_READ), number(_KEEP), number(_DATA)])
    return context.get_dummy_value()
