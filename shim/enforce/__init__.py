"""After the runtime: set limits that it cannot, and read all limits back from the kernel."""
