using System.Text.Json.Nodes;

namespace PeftNative.Jinja;

/// <summary>A variable a template sees. A later one of the same name replaces an earlier one.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Value">
/// Its value. Numbers keep their kind: 2 is an int of Python, 2.0 and 1e-07 are floats; null is None.
/// </param>
/// <param name="OmitsNulls">
/// Whether the value is a list of objects that are shown without their keys whose value is null.
/// </param>
public readonly record struct JinjaVariable(string Name, JsonNode? Value, bool OmitsNulls = false);
