using System.Globalization;
using System.Text.Json.Nodes;
using PeftNative.Cli.Options;

namespace PeftNative.Cli.Runs;

/// <summary>
/// The date that the chat template of a run sees: one for the whole run, also where that goes on another day, so that
/// its texts stay the same. Not thread-safe.
/// </summary>
internal sealed class RunDate : TimeProvider
{
    private const string Format = "yyyy-MM-ddTHH:mm:ss";

    private readonly DateTimeOffset date;

    private RunDate(DateTime date) => this.date = new DateTimeOffset(DateTime.SpecifyKind(date, DateTimeKind.Utc));

    /// <summary>Whether somebody looked at it.</summary>
    public bool IsAsked { get; private set; }

    /// <summary>The date as settings have it.</summary>
    public string Text => date.ToString(Format, CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc; // a date of the user is local already

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow()
    {
        IsAsked = true;
        return date;
    }

    /// <summary>The date of the settings, or that of the run which goes on, or now.</summary>
    /// <exception cref="UsageException">The settings have something else.</exception>
    public static RunDate Of(SettingValues values)
    {
        if (values.OptionalText(DataSettings.TemplateDate) is null && Remembered(values) is { } before)
            values.Add(DataSettings.TemplateDate, before, RunSetup.Chosen);
        if (values.OptionalText(DataSettings.TemplateDate) is not { } text) return new RunDate(DateTime.Now);
        return DateTime.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind, out var given)
            ? new RunDate(given) : throw new UsageException($"'{text}' is no date.",
                values.OriginOf(DataSettings.TemplateDate), "Write it as 2026-12-31 or 2026-12-31T23:59:00.");
    }

    private static JsonNode? Remembered(SettingValues values)
    {
        var resume = values.OptionalText(TrainSettings.Resume);
        if (resume is null or "never" || values.OptionalText(TrainSettings.Output) is not { } output) return null;
        string[] folders = resume == "auto" ? [output]
            : [resume, Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(resume))) ?? resume];
        var file = folders.Select(f => Path.Combine(f, RunFolderState.ConfigName)).FirstOrDefault(File.Exists);
        return file is null ? null : ConfigFile.Read(file)[DataSettings.TemplateDate.Key]?.DeepClone();
    }
}
