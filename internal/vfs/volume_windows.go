package vfs

import "golang.org/x/sys/windows"

func totalBytes(dir string) (uint64, error) {
	p, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var total uint64
	err = windows.GetDiskFreeSpaceEx(p, nil, &total, nil)
	return total, err
}
