using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using PeftNative.Backends;
using PeftNative.Lab.Benchmarking;
using PeftNative.Tensors;
using Measurement = PeftNative.Lab.Benchmarking.Measurement;

namespace PeftNative.Benchmarks.Ops;

/// <summary>
/// Runs in this process, so that the peaks of the machine and the work of a call are known where the table is written,
/// and adds both columns.
/// </summary>
public sealed class OperationConfig : ManualConfig
{
    private static readonly Lazy<MachinePeaks> Peaks = new(() => MachinePeaks.Measure());

    public OperationConfig()
    {
        AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithWarmupCount(3).WithIterationCount(10));
        AddColumn(new WorkColumn("Rate", Rate), new WorkColumn("Of peak", Share));
    }

    /// <summary>The types in which the native backend computes here.</summary>
    internal static IReadOnlyList<DType> Types { get; } = [.. new[] { DType.Float32, DType.BFloat16 }.Where(Computes)];

    private static string Rate(Measurement m) => $"{m.Rate:0.0} {m.RateUnit}";

    private static string Share(Measurement m) => $"{m.Share * 100:0} %";

    private static bool Computes(DType type)
    {
        try
        {
            BackendFactory.Create("cpu", type).Dispose();
            return true;
        }
        catch (UsageException)
        {
            return false;
        }
    }

    private sealed class WorkColumn(string name, Func<Measurement, string> value) : IColumn
    {
        public string Id => name;

        public string ColumnName => name;

        public bool AlwaysShow => true;

        public ColumnCategory Category => ColumnCategory.Custom;

        public int PriorityInCategory => 0;

        public bool IsNumeric => false;

        public UnitType UnitType => UnitType.Dimensionless;

        public string Legend => name == "Rate" ? "GFLOP/s or GB/s at the median"
            : "Rate by the peak measured in this run";

        public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

        public bool IsAvailable(Summary summary) => true;

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) =>
            GetValue(summary, benchmarkCase);

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
        {
            var (direction, type) =
                ((string)benchmarkCase.Parameters["Direction"], (string)benchmarkCase.Parameters["Type"]);
            if (OperationBenchmarks.Find(benchmarkCase.Descriptor.Type, direction, type) is not { } call) return "-";
            if (summary[benchmarkCase]?.ResultStatistics is not { } statistics) return "-";
            var peak = call.Bytes > 0 ? Peaks.Value.Reading : type == "bf16" ? Peaks.Value.Bf16 : Peaks.Value.Fp32;
            return value(new Measurement(direction, [statistics.Median / 1e6]) { Operations = call.Operations,
                Bytes = call.Bytes, Peak = peak });
        }
    }
}
