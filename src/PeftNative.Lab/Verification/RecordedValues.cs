using System.Text.Json;
using System.Text.Json.Nodes;

namespace PeftNative.Lab.Verification;

/// <summary>Compares computed numbers with recorded ones and keeps count; not thread-safe.</summary>
internal sealed class RecordedValues(string name, double tolerance)
{
    private int _checked, _failed;
    private string? _firstFailure;

    public VerificationResult Result => new(name, _checked, _failed, _firstFailure);

    /// <summary>Compares relative to the recorded value, absolutely below 1; a NaN never agrees.</summary>
    public void Expect(string what, double recorded, double actual) =>
        Count(Math.Abs(actual - recorded) <= tolerance * Math.Max(1, Math.Abs(recorded)), what, $"{recorded:R}",
            $"{actual:R}");

    /// <summary>Compares relative to the recorded value alone, for numbers that are small by nature.</summary>
    public void ExpectRelative(string what, double recorded, double actual) =>
        Count(Math.Abs(actual - recorded) <= tolerance * Math.Abs(recorded), what, $"{recorded:R}", $"{actual:R}");

    /// <summary>Records a failure that is not a wrong number.</summary>
    public void Fail(string what) => Count(false, what, "a computed value", "none");

    private void Count(bool agrees, string what, string recorded, string actual)
    {
        _checked++;
        if (agrees) return;
        _failed++;
        _firstFailure ??= $"{what}: recorded {recorded}, got {actual}";
    }

    /// <summary>
    /// Reads a file of recorded values; what is wrong with it becomes a <see cref="DataException"/> that names it.
    /// </summary>
    public static T Read<T>(string path, Func<JsonNode, T> use)
    {
        try
        {
            var root = JsonNode.Parse(File.ReadAllBytes(path));
            return use(root ?? throw new JsonException("The file holds null."));
        }
        catch (Exception e) when (
            e is JsonException or InvalidOperationException or FormatException or KeyNotFoundException
            or NullReferenceException or ArgumentException)
        {
            throw new DataException("The recorded values cannot be read: " + e.Message, path,
                "Use the recorded file as it was delivered.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException("The recorded values cannot be opened: " + e.Message, path, inner: e);
        }
    }
}
