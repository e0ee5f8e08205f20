using Xunit;

namespace PeftNative.Structure.Tests;

/// <summary>An operation has its files and its names in every place.</summary>
public class OperationTests
{
    [Fact]
    public void Every_operation_is_in_every_place()
    {
        Assert.NotEmpty(OperationPlaces.Records(Sources.Here));
        Assert.Empty(OperationPlaces.Wrong(Sources.Here));
    }

    [Fact]
    public void The_guide_names_every_place()
    {
        var guide = Sources.Text("docs/adding-an-operation.md")!;
        Assert.All(OperationPlaces.All.Select(p => p.File.Replace("{Stem}", "Gather").Replace("{stem}", "gather")),
            file => Assert.Contains(file, guide, StringComparison.Ordinal));
    }
}
