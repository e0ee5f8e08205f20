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

    /// <summary>Compares with the number that an object has under a name; see <see cref="ExpectOptional"/>.</summary>
    public void Expect(string name, JsonObject recorded, double actual) =>
        ExpectOptional(name, recorded[name], actual);

    /// <summary>Compares with a number or with null, which means that there is none: NaN.</summary>
    public void ExpectOptional(string what, JsonNode? recorded, double actual)
    {
        if (recorded is not null) Expect(what, recorded.GetValue<double>(), actual);
        else Count(double.IsNaN(actual), what, "undefined", $"{actual:R}");
    }

    /// <summary>Counts a comparison made elsewhere.</summary>
    public void Check(bool agrees, string what, string recorded, string actual) =>
        Count(agrees, what, recorded, actual);

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
