using System.Text.Json.Nodes;

namespace PeftNative.Peft.Adapters;

/// <summary>How a new adapter starts.</summary>
/// <param name="Seed">What its values are drawn from.</param>
/// <param name="IsTrainable">Whether it has gradients.</param>
/// <param name="Name">Its name.</param>
internal readonly record struct AdapterStart(ulong Seed, bool IsTrainable, string Name);

/// <summary>A name that stands for a method with some settings fixed.</summary>
internal sealed record MethodPreset(string Name, JsonObject Settings);

/// <summary>A file of tensors: its name, and the one that older releases gave it.</summary>
internal sealed record MethodFile(string Name, string Older);

/// <summary>A format of another program.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Help">What it is, in a few words.</param>
/// <param name="Write">Writes an adapter to a path, in 16 bits where the format may; says how many modules it adapts
/// and with what.</param>
internal sealed record AdapterExport(
    string Name, string Help, Func<Adapter, string, bool, (int Modules, string With)> Write)
{
    /// <summary>Whether its numbers may have 16 bits.</summary>
    internal bool TakesType { get; init; }
}
