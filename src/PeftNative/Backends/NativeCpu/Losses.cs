using System.Runtime.InteropServices;
using PeftNative.Ops;

namespace PeftNative.Backends.NativeCpu;

public sealed partial class NativeCpuBackend
{
    /// <inheritdoc/>
    public void Run(in CrossEntropyOp op) => CpuLibrary.Check(CrossEntropyRun(context, op));

    /// <inheritdoc/>
    public void Run(in RegressionLossOp op) => CpuLibrary.Check(RegressionLossRun(context, op));

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_cross_entropy_run")]
    private static partial NativeStatus CrossEntropyRun(CpuContext context, in CrossEntropyOp op);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_regression_loss_run")]
    private static partial NativeStatus RegressionLossRun(CpuContext context, in RegressionLossOp op);
}
