using static PeftNative.Training.Schedules.LearningRateSchedule;

namespace PeftNative.Training.Schedules;

/// <summary>The formulas: each gives the factor on the learning rate as a function of the step.</summary>
internal sealed class ScheduleShape(double warmup, double total, ScheduleArguments arguments)
{
    private const double DefaultTimescale = 10_000;

    /// <summary>The share of the steps after the warm-up that is over; beyond 1 after the end.</summary>
    public double Progress(double step) => (step - warmup) / Math.Max(1, total - warmup);

    public Func<double, double> WarmedUp(Func<double, double> after) => step =>
        step < warmup ? step / warmup : after(step);

    public Func<double, double> Cosine(double floor)
    {
        var cycles = arguments.NumCycles ?? 0.5;
        return WarmedUp(step => Math.Max(0, Raise(Wave(cycles * 2 * Progress(step)), floor)));
    }

    public Func<double, double> CosineWithRestarts()
    {
        var cycles = arguments.NumCycles ?? 1;
        return WarmedUp(step => Progress(step) >= 1 ? 0 : Math.Max(0, Wave(cycles * Progress(step) % 1)));
    }

    /// <summary>The floor of cosine_with_min_lr as a share of the learning rate.</summary>
    public double MinimumShare(double learningRate)
    {
        Require(arguments.MinLr is null != (arguments.MinLrRate is null),
            "The schedule cosine_with_min_lr needs exactly one of min_lr and min_lr_rate.");
        return arguments.MinLrRate ?? (learningRate > 0 ? arguments.MinLr!.Value / learningRate : 0);
    }

    public Func<double, double> Polynomial(double learningRate)
    {
        var end = arguments.LrEnd ?? 1e-7;
        var power = arguments.Power ?? 1;
        Require(learningRate > end,
            $"The schedule polynomial needs lr_end ({end}) below the learning rate ({learningRate}).");
        return WarmedUp(step =>
        {
            if (step > total || total <= warmup) return end / learningRate;
            var remaining = 1 - (step - warmup) / (total - warmup);
            return ((learningRate - end) * Math.Pow(remaining, power) + end) / learningRate;
        });
    }

    public Func<double, double> InverseSquareRoot()
    {
        var timescale = arguments.Timescale ?? (warmup > 0 ? warmup : DefaultTimescale);
        Require(timescale > 0, $"The schedule inverse_sqrt needs a timescale above 0, not {timescale}.");
        return WarmedUp(step => 1 / Math.Sqrt((step - warmup + timescale) / timescale));
    }

    public Func<double, double> WarmupStableDecay()
    {
        Require(arguments.NumDecaySteps is >= 0,
            "The schedule warmup_stable_decay needs num_decay_steps, the steps at the end.");
        var decay = arguments.NumDecaySteps!.Value;
        var stable = arguments.NumStableSteps ?? total - warmup - decay;
        Require(stable >= 0,
            $"warmup_stable_decay: warm-up ({warmup}) and decay ({decay}) are longer than the run ({total} steps).");
        var floor = arguments.MinLrRatio ?? 0;
        // A rise is a fall read backwards; num_cycles shapes the decay only.
        var rise = Fall(arguments.WarmupType ?? "linear", "warmup_type", cycles: 0.5);
        var fall = Fall(arguments.DecayType ?? "cosine", "decay_type", arguments.NumCycles ?? 0.5);
        return step =>
        {
            if (step < warmup) return Math.Max(0, Raise(rise(1 - step / warmup), floor));
            var decayed = step - warmup - stable;
            if (decayed < 0) return 1;
            return decayed < decay ? Math.Max(0, Raise(fall(decayed / decay), floor)) : floor;
        };
    }

    private static Func<double, double> Fall(string type, string setting, double cycles) => type switch
    {
        "linear" => progress => 1 - progress,
        "cosine" => progress => Wave(cycles * 2 * progress),
        "1-sqrt" => progress => 1 - Math.Sqrt(progress),
        _ => throw new UsageException($"{setting} must be linear, cosine or 1-sqrt, not '{type}'."),
    };

    private static double Wave(double halfTurns) => 0.5 * (1 + Math.Cos(Math.PI * halfTurns));

    private static double Raise(double factor, double floor) => factor * (1 - floor) + floor;
}
