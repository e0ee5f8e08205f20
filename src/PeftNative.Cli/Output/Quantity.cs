using System.Globalization;

namespace PeftNative.Cli.Output;

/// <summary>Numbers as people read them.</summary>
internal static class Quantity
{
    /// <summary>A size: 1.5 GB, 12 kB.</summary>
    public static string Bytes(long bytes) => bytes switch
    {
        >= 1L << 30 => Short(bytes / (double)(1L << 30)) + " GB",
        >= 1L << 20 => Short(bytes / (double)(1L << 20)) + " MB",
        >= 1L << 10 => Short(bytes / 1024.0) + " kB",
        _ => $"{bytes} B",
    };

    /// <summary>A count with separators: 22,713,216.</summary>
    public static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A count with its noun in the right number.</summary>
    public static string Of(long count, string noun, string? plural = null) =>
        $"{Count(count)} {(count == 1 ? noun : plural ?? noun + "s")}";

    /// <summary>A share: 0.33 %.</summary>
    public static string Percent(double share) => Short(100 * share) + " %";

    /// <summary>A time: 1:02:03, 4:05, 3.2 s.</summary>
    public static string Time(double seconds) => seconds switch
    {
        >= 3600 => $"{(long)seconds / 3600}:{(long)seconds / 60 % 60:00}:{(long)seconds % 60:00}",
        >= 60 => $"{(long)seconds / 60}:{(long)seconds % 60:00}",
        _ => seconds.ToString("0.0", CultureInfo.InvariantCulture) + " s",
    };

    /// <summary>A measured number with about four digits.</summary>
    public static string Number(double value) => value switch
    {
        0 => "0",
        _ when double.IsNaN(value) || double.IsInfinity(value) => value.ToString(CultureInfo.InvariantCulture),
        _ when Math.Abs(value) is >= 1e5 or < 1e-3 => value.ToString("0.##e0", CultureInfo.InvariantCulture),
        _ => value.ToString("G4", CultureInfo.InvariantCulture),
    };

    /// <summary>A metric with four decimals, or as a number where it is large or tiny.</summary>
    public static string Metric(double value) =>
        Math.Abs(value) is < 1e4 and >= 1e-3 or 0 ? value.ToString("0.0000", CultureInfo.InvariantCulture)
        : Number(value);

    private static string Short(double value) =>
        value.ToString(value >= 100 ? "0" : value >= 10 ? "0.0" : "0.00", CultureInfo.InvariantCulture);
}
