using PeftNative.Lab.Verification;

namespace PeftNative.Cli.Verify;

/// <summary>Recorded metrics: a folder of JSON files, one for each kind.</summary>
internal static class MetricsFolder
{
    /// <summary>The cases of a folder that holds such recordings; none where it holds none.</summary>
    public static IEnumerable<VerifyCase> Find(string folder) => !RecordedMetrics.Knows(folder) ? []
        : RecordedMetrics.Find(folder).Select(c => new VerifyCase(c.Name, () =>
        {
            try
            {
                return VerifyLine.Of(c.Run());
            }
            catch (PeftNativeException e)
            {
                return VerifyLine.Broken(c.Name, e);
            }
        }));
}
