using PeftNative.Cli.Options;
using PeftNative.Cli.Output;

namespace PeftNative.Cli.Runs;

/// <summary>Records of a file that cannot be used: counted, named, and too many of them refused.</summary>
internal static class BadRecords
{
    private const int Named = 3;

    /// <summary>Names the first of them; refuses the file where there are more than --max_bad_records.</summary>
    /// <exception cref="DataException">There are too many.</exception>
    public static void Check(
        IReadOnlyList<DataException> bad, int good, SettingValues values, Terminal terminal)
    {
        if (bad.Count == 0) return;
        var all = bad.Count + good;
        if (good == 0 || bad.Count > Most(all, values))
        {
            throw new DataException(
                $"{bad.Count} of {all} records cannot be used. {string.Join(" ", bad.Take(Named).Select(Text))}",
                bad[0].Where, good == 0 ? bad[0].Remedy
                    : $"{bad[0].Remedy} Or allow more with --max_bad_records, or --skip_bad_lines.".TrimStart());
        }
        foreach (var one in bad.Take(Named)) terminal.Warn($"left out: {Text(one)}");
    }

    // One is always allowed, as a share of a few records is none, but not half of a file.
    private static long Most(int all, SettingValues values)
    {
        if (values.Switch(DataSettings.SkipBadLines)) return long.MaxValue;
        var given = values.Number(DataSettings.MaxBadRecords);
        if (given >= 1 || given == 0) return (long)given;
        return Math.Max((long)(given * all), values.Has(DataSettings.MaxBadRecords) || all < 3 ? 0 : 1);
    }

    private static string Text(DataException bad) => $"{bad.Where}: {bad.What}";
}
