using System.Runtime.InteropServices;
using System.Text;
using PeftNative.Cuda.Driver;
using PeftNative.Cuda.Libraries;
using PeftNative.Lab.Cases;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Cuda.Tests;

/// <summary>
/// The operation cases find bugs: libraries whose kernels have one each (native/emu/mutants.cmake) must fail at least
/// one case of the operation in at least one schedule.
/// </summary>
public sealed unsafe class MutantTests
{
    [Theory]
    [InlineData("dropped_barrier", "Linear", DType.Float32)]
    [InlineData("off_by_one_tile", "Linear", DType.Float32)]
    [InlineData("swapped_operands", "Linear", DType.Float32)]
    [InlineData("missing_scale", "Linear", DType.Float32)]
    [InlineData("wrong_grid", "Linear", DType.Float32)]
    [InlineData("wrong_stride", "Elementwise", DType.Float32)]
    [InlineData("racing_reduction", "CrossEntropy", DType.Float32)]
    [InlineData("wrong_mask", "Attention", DType.Float32)]
    [InlineData("stale_prefix", "Attention", DType.Float32)]
    [InlineData("missing_copy_wait", "Attention", DType.BFloat16)]
    public void A_seeded_bug_is_found(string name, string operation, DType type)
    {
        var file = Path.Combine(Emulator.Folder, "mutants", name, "libpncuda_emu.so");
        if (!File.Exists(file)) Assert.Skip($"not exercised: {file} was not built (cmake -DPEFTNATIVE_CHECKS=ON)");
        var library = NativeLibrary.Load(file);
        var setSchedule = (delegate* unmanaged<byte*, ulong, int>)NativeLibrary.GetExport(library,
            "pncuda_emu_set_schedule");
        var driver = new LibraryDriver(library, file, true);
        Assert.Equal(CudaResult.Success, driver.Init());
        var cases = OperationCases.All().Where(c => c.Operation == operation).ToList();
        Assert.NotEmpty(cases);
        foreach (var schedule in Emulator.Schedules)
        {
            fixed (byte* text = Encoding.UTF8.GetBytes(schedule + '\0')) Assert.Equal(1, setSchedule(text, 1));
            if (cases.Any(c => Fails(c, driver, type))) return;
        }
        Assert.Fail($"no case of {operation} in any schedule notices the bug {name}");
    }

    private static bool Fails(OperationCase c, LibraryDriver driver, DType type)
    {
        using var backend = CudaBackend.Create(driver, type, 0);
        try
        {
            return !c.Run(backend).Passed;
        }
        catch (CudaException)
        {
            return true;
        }
    }
}
